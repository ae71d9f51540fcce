-- How far each wave is, against the plan. Reads: standing, asked.
SELECT
  s.wave,
  min(s.ready_at) AS first_ready,
  max(s.ready_at) AS last_ready,
  count(*) AS hosts,
  count(CASE WHEN s.ready_at <= a.log_end THEN 1 END) AS due,
  count(s.first_image_at) AS fetched,
  count(CASE WHEN s.state IN ('running', 'ahead') THEN 1 END) AS updated,
  count(CASE WHEN s.state IN ('rolled back', 'unchanged', 'silent') THEN 1 END) AS lost,
  count(CASE WHEN s.first_image_at < s.ready_at THEN 1 END) AS early
FROM standing AS s
CROSS JOIN asked AS a
WHERE s.wave IS NOT NULL
GROUP BY 1
ORDER BY 1
