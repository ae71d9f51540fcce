-- Server access logs of S3. Reads: lines. DuckDB only.
SELECT
  moment - minutes_ahead * INTERVAL 1 MINUTE AS requested_at,
  NULLIF(NULLIF(ip, ''), '-') AS client_ip,
  split_part(request, ' ', 1) AS method,
  split_part(split_part(request, ' ', 2), '?', 1) AS path,
  split_part(split_part(request, ' ', 2), '?', 2) AS query,
  TRY_CAST(status AS INTEGER) AS status,
  TRY_CAST(bytes AS BIGINT) AS bytes,
  line
FROM (
  SELECT
    try_strptime(found.moment, '%d/%b/%Y:%H:%M:%S') AS moment,
    CASE
      WHEN found.zone IN ('+0000', '') THEN 0
      ELSE CAST(concat(found.zone[1], found.zone[2:3]) AS INTEGER) * 60
        + CAST(concat(found.zone[1], found.zone[4:5]) AS INTEGER)
    END AS minutes_ahead,
    found.ip,
    trim(found.request, '"') AS request,
    found.status,
    found.bytes,
    line
  FROM (
    SELECT line, regexp_extract(
      line,
      '^[0-9A-Za-z-]+ [^ ]+ \[(\d\d/[A-Z][a-z][a-z]/20\d\d:\d\d:\d\d:\d\d) ([+-]\d\d\d\d)\] ([0-9A-Za-z.:_-]+) [^ ]+ [^ ]+ [A-Z0-9._]+ [^ ]+ ("(?:[^"\\]|\\.)*"|-) ([1-9]\d\d|-) [^ ]+ (\d{1,18}|-)(?: |$)',
      ['moment', 'zone', 'ip', 'request', 'status', 'bytes']
    ) AS found
    FROM lines
  ) AS matched
) AS parts
