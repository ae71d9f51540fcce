-- How many hosts stand where. Reads: standing.
SELECT state, count(*) AS hosts
FROM standing
GROUP BY 1
ORDER BY 2 DESC, 1
