-- Standard logs of CloudFront in a bucket. Change LOCATION.
CREATE EXTERNAL TABLE IF NOT EXISTS cloudfront_logs (
  `date` DATE,
  time STRING,
  x_edge_location STRING,
  sc_bytes BIGINT,
  c_ip STRING,
  cs_method STRING,
  cs_host STRING,
  cs_uri_stem STRING,
  sc_status INT,
  cs_referrer STRING,
  cs_user_agent STRING,
  cs_uri_query STRING,
  cs_cookie STRING,
  x_edge_result_type STRING,
  x_edge_request_id STRING,
  x_host_header STRING,
  cs_protocol STRING,
  cs_bytes BIGINT,
  time_taken FLOAT,
  x_forwarded_for STRING,
  ssl_protocol STRING,
  ssl_cipher STRING,
  x_edge_response_result_type STRING,
  cs_protocol_version STRING,
  fle_status STRING,
  fle_encrypted_fields INT,
  c_port INT,
  time_to_first_byte FLOAT,
  x_edge_detailed_result_type STRING,
  sc_content_type STRING,
  sc_content_len BIGINT,
  sc_range_start BIGINT,
  sc_range_end BIGINT
)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t'
LOCATION 's3://BUCKET/PREFIX/'
TBLPROPERTIES ('skip.header.line.count' = '2');

CREATE OR REPLACE VIEW requests AS
SELECT
  CAST(concat(CAST("date" AS VARCHAR), ' ', time) AS TIMESTAMP) AS requested_at,
  c_ip AS client_ip,
  cs_method AS method,
  cs_uri_stem AS path,
  cs_uri_query AS query,
  sc_status AS status,
  sc_bytes AS bytes
FROM cloudfront_logs;
