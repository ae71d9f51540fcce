-- Hosts that became ready, fetched an image first, and reported the release first, by hour.
-- Reads: standing.
SELECT date_trunc('hour', happened_at) AS hour, event, count(*) AS hosts
FROM (
  SELECT 'ready' AS event, ready_at AS happened_at FROM standing
  UNION ALL
  SELECT 'fetched' AS event, first_image_at AS happened_at FROM standing
  UNION ALL
  SELECT 'reported' AS event, reported_at AS happened_at FROM standing
) AS events
WHERE happened_at IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT 100000
