-- What each host did on each day (UTC). Days add up to hosts, and to the versions of each day.
-- A host is known by its address and its seed, or by one of them, as "asked" says.
-- Reads: visits, asked.
SELECT
  CASE WHEN a.host_by = 'seed' THEN '' ELSE v.client_ip END AS host_ip,
  CASE WHEN a.host_by = 'ip' THEN -1 ELSE v.seed END AS host_seed,
  date_trunc('day', v.requested_at) AS day,
  min(v.requested_at) AS first_seen,
  max(v.requested_at) AS last_seen,
  max_by(v.seed, v.requested_at) AS seed,
  -- Logs count in seconds: of two versions in the last one, the release came later.
  CASE
    WHEN max(CASE WHEN v.version = a.version THEN v.requested_at END) = max(v.requested_at)
    THEN max(a.version)
    ELSE max_by(v.version, v.requested_at)
  END AS version,
  max(v.variant) AS variant,
  max(v.arch) AS arch,
  min(CASE WHEN v.version = a.version THEN v.requested_at END) AS reported_at,
  min(CASE WHEN v.kind = 'image' AND v.target = a.version AND v.status IN (200, 206) THEN v.requested_at END) AS first_image_at,
  max(CASE WHEN v.kind = 'image' AND v.target = a.version AND v.status IN (200, 206) THEN v.requested_at END) AS last_image_at,
  CAST(sum(CASE WHEN v.kind = 'image' AND v.target = a.version THEN v.bytes ELSE 0 END) AS BIGINT) AS image_bytes
FROM visits AS v
CROSS JOIN asked AS a
WHERE v.kind IN ('metadata', 'manifest', 'migration', 'image')
GROUP BY 1, 2, 3
