-- The beginnings of some lines that could not be read. {most}: how many. Reads: requests.
SELECT left(line, 200)
FROM requests
WHERE requested_at IS NULL
LIMIT {most}
