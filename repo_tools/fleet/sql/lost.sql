-- Hosts that fetched an image long enough ago and do not run the release. Reads: standing.
SELECT
  host_ip,
  host_seed,
  seed,
  state,
  version,
  variant,
  arch,
  first_image_at,
  last_image_at,
  reported_at,
  last_seen,
  image_bytes
FROM standing
WHERE state IN ('rolled back', 'unchanged', 'silent')
ORDER BY last_image_at, host_ip, host_seed
LIMIT 1000
