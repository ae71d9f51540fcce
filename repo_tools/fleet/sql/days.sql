-- Hosts that were heard on each day, by the version they reported last on it. Reads: hostdays, standing.
SELECT d.day, d.version, count(*) AS hosts
FROM hostdays AS d
INNER JOIN standing AS s ON s.host_ip = d.host_ip AND s.host_seed = d.host_seed
GROUP BY 1, 2
ORDER BY 1, 3 DESC, 2
LIMIT 100000
