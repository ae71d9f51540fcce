-- Every line of the logs, as what a client did: one row for each row of "requests".
-- A row without a time stands for a line that could not be read. Reads: requests.
SELECT
  requested_at,
  client_ip,
  status,
  bytes,
  CASE
    WHEN requested_at IS NULL THEN 'unreadable'
    WHEN method <> 'GET' OR seed IS NULL OR version IS NULL OR client_ip IS NULL THEN 'other'
    WHEN path LIKE '%manifest.json' THEN 'manifest'
    WHEN path LIKE '%.json' THEN 'metadata'
    WHEN target IS NULL THEN 'other'
    WHEN tells_migrations THEN 'image'
    ELSE 'migration'
  END AS kind,
  seed,
  version,
  target,
  CASE WHEN path LIKE '%/timestamp.json' THEN
    NULLIF(regexp_extract(path, '([0-9A-Za-z_.-]+)/[0-9A-Za-z_.-]+/timestamp.json$', 1), '')
  END AS variant,
  CASE WHEN path LIKE '%/timestamp.json' THEN
    NULLIF(regexp_extract(path, '[0-9A-Za-z_.-]+/([0-9A-Za-z_.-]+)/timestamp.json$', 1), '')
  END AS arch
FROM (
  SELECT
    requested_at,
    client_ip,
    method,
    path,
    status,
    bytes,
    tells_migrations,
    CASE WHEN seed_text < 2048 THEN seed_text END AS seed,
    NULLIF(regexp_extract(version_text, '^[0-9]+[.][0-9]+[.][0-9]+([-+][0-9A-Za-z.+-]+)?$', 0), '') AS version,
    NULLIF(regexp_extract(target_text, '^[0-9]+[.][0-9]+[.][0-9]+([-+][0-9A-Za-z.+-]+)?$', 0), '') AS target
  FROM (
    SELECT
      requested_at,
      client_ip,
      method,
      path,
      status,
      bytes,
      strpos(concat('&', query), '&migrations=') > 0 AS tells_migrations,
      TRY_CAST(NULLIF(regexp_extract(split_part(split_part(concat('&', query), '&seed=', 2), '&', 1), '^[0-9]{1,4}$', 0), '') AS INTEGER) AS seed_text,
      -- A plus sign is %2B in an address, and %252B in the logs of CloudFront.
      replace(replace(replace(split_part(split_part(concat('&', query), '&version=', 2), '&', 1), '%25', '%'), '%2B', '+'), '%2b', '+') AS version_text,
      replace(replace(replace(split_part(split_part(concat('&', query), '&target=', 2), '&', 1), '%25', '%'), '%2B', '+'), '%2b', '+') AS target_text
    FROM requests
  ) AS parameters
) AS checked
