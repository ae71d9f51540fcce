-- Every host, over all days. Reads: hostdays.
SELECT
  host_ip,
  host_seed,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  max_by(seed, last_seen) AS seed,
  max_by(version, last_seen) AS version,
  max(variant) AS variant,
  max(arch) AS arch,
  min(reported_at) AS reported_at,
  min(first_image_at) AS first_image_at,
  max(last_image_at) AS last_image_at,
  CAST(sum(image_bytes) AS BIGINT) AS image_bytes
FROM hostdays
GROUP BY 1, 2
