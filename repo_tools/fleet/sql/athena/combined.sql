-- Logs of nginx or Apache, copied to a bucket; their clock must be in UTC. Change LOCATION.
CREATE EXTERNAL TABLE IF NOT EXISTS combined_logs (
  remote_ip STRING,
  moment STRING,
  request STRING,
  status STRING,
  bytes_sent STRING
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  'input.regex' = '^([0-9A-Za-z.:_-]+) [^ ]+ [^\\[]*\\[(\\d\\d/[A-Z][a-z][a-z]/20\\d\\d:\\d\\d:\\d\\d:\\d\\d) [+]0000\\] "((?:[^"\\\\]|\\\\.)*)" ([1-9]\\d\\d) (\\d+|-)(?: .*)?$'
)
LOCATION 's3://BUCKET/PREFIX/';

CREATE OR REPLACE VIEW requests AS
SELECT
  CAST(date_parse(moment, '%d/%b/%Y:%H:%i:%s') AS TIMESTAMP) AS requested_at,
  remote_ip AS client_ip,
  split_part(request, ' ', 1) AS method,
  split_part(split_part(request, ' ', 2), '?', 1) AS path,
  split_part(split_part(request, ' ', 2), '?', 2) AS query,
  TRY_CAST(status AS INTEGER) AS status,
  TRY_CAST(bytes_sent AS BIGINT) AS bytes
FROM combined_logs;
