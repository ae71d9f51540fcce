-- Where each host stands with regard to the release that is asked about.
-- Versions are ordered by their three numbers; a pre-release counts as its release.
-- Reads: hosts, asked, plan.
SELECT
  host_ip,
  host_seed,
  seed,
  version,
  variant,
  arch,
  first_seen,
  last_seen,
  reported_at,
  first_image_at,
  last_image_at,
  image_bytes,
  wave,
  ready_at,
  CASE
    WHEN version = wanted THEN 'running'
    WHEN major > wanted_major
      OR (major = wanted_major AND minor > wanted_minor)
      OR (major = wanted_major AND minor = wanted_minor AND patch > wanted_patch) THEN 'ahead'
    WHEN reported_at IS NOT NULL THEN 'rolled back'
    WHEN first_image_at >= lost_before THEN 'on the way'
    WHEN last_image_at >= last_seen AND last_seen < lost_before THEN 'silent'
    WHEN last_image_at IS NOT NULL THEN 'unchanged'
    WHEN ready_at > log_end THEN 'waiting'
    WHEN ready_at > last_seen THEN 'absent'
    ELSE 'due'
  END AS state
FROM (
  SELECT
    h.host_ip,
    h.host_seed,
    h.seed,
    h.version,
    h.variant,
    h.arch,
    h.first_seen,
    h.last_seen,
    h.reported_at,
    h.first_image_at,
    h.last_image_at,
    h.image_bytes,
    p.wave,
    p.ready_at,
    a.version AS wanted,
    a.lost_before,
    a.log_end,
    TRY_CAST(split_part(h.version, '.', 1) AS BIGINT) AS major,
    TRY_CAST(split_part(h.version, '.', 2) AS BIGINT) AS minor,
    TRY_CAST(split_part(split_part(split_part(h.version, '.', 3), '-', 1), '+', 1) AS BIGINT) AS patch,
    TRY_CAST(split_part(a.version, '.', 1) AS BIGINT) AS wanted_major,
    TRY_CAST(split_part(a.version, '.', 2) AS BIGINT) AS wanted_minor,
    TRY_CAST(split_part(split_part(split_part(a.version, '.', 3), '-', 1), '+', 1) AS BIGINT) AS wanted_patch
  FROM hosts AS h
  CROSS JOIN asked AS a
  LEFT JOIN plan AS p ON p.seed = h.seed
  WHERE (a.variant IS NULL OR h.variant = a.variant) AND (a.arch IS NULL OR h.arch = a.arch)
) AS numbered
