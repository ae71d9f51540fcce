-- How many lines of each kind there are. Reads: visits.
SELECT kind, count(*) AS lines
FROM visits
GROUP BY 1
ORDER BY 2 DESC, 1
