-- Releases whose images were fetched, by how many hosts, and the releases that were reported.
-- Whoever names no release is shown the first one. Reads: visits.
SELECT release, wanted, hosts
FROM (
  SELECT target AS release, 1 AS wanted, count(*) AS hosts
  FROM (
    SELECT DISTINCT target, client_ip, seed
    FROM visits
    WHERE kind = 'image' AND status IN (200, 206)
  ) AS fetchers
  GROUP BY 1
  UNION ALL
  SELECT version AS release, 0 AS wanted, count(*) AS hosts
  FROM visits
  WHERE kind IN ('metadata', 'manifest', 'migration', 'image')
  GROUP BY 1
) AS releases
ORDER BY wanted DESC, hosts DESC, release
LIMIT 100
