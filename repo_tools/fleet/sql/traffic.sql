-- What clients asked the servers for, by hour. Reads: visits.
SELECT
  date_trunc('hour', requested_at) AS hour,
  count(*) AS requests,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  CAST(sum(CASE WHEN kind = 'image' THEN bytes ELSE 0 END) AS BIGINT) AS image_bytes,
  count(CASE WHEN status >= 400 THEN 1 END) AS refused
FROM visits
WHERE kind IN ('metadata', 'manifest', 'migration', 'image')
GROUP BY 1
ORDER BY 1
LIMIT 100000
