-- Standard logs of CloudFront, whose columns the line "#Fields:" names. Reads: lines. DuckDB only.
-- {columns}: how many. The others: the place of each, from 1.
SELECT
  CASE WHEN len(field) = {columns} AND regexp_full_match(field[{sc-status}], '[0-9]{3}')
  THEN try_strptime(concat(field[{date}], ' ', field[{time}]), '%Y-%m-%d %H:%M:%S') END AS requested_at,
  NULLIF(regexp_extract(field[{c-ip}], '^[0-9A-Za-z.:_]+$'), '') AS client_ip,
  field[{cs-method}] AS method,
  field[{cs-uri-stem}] AS path,
  NULLIF(field[{cs-uri-query}], '-') AS query,
  TRY_CAST(field[{sc-status}] AS INTEGER) AS status,
  TRY_CAST(field[{sc-bytes}] AS BIGINT) AS bytes,
  line
FROM (
  SELECT line, string_split(line, chr(9)) AS field
  FROM lines
  WHERE line NOT LIKE '#%'
) AS split
