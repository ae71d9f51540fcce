-- Which versions the fleet reported last. Reads: standing.
SELECT
  version,
  variant,
  arch,
  count(*) AS hosts,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM standing
GROUP BY 1, 2, 3
ORDER BY 4 DESC, 1, 2, 3
LIMIT 1000
