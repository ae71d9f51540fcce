-- Files of text, a row for each line; what is no UTF-8 or too long is noted as rejected.
-- {files}: their names. {compression}: none, gzip or zstd. DuckDB only.
SELECT line
FROM read_csv(
  [{files}],
  columns = {'line': 'VARCHAR'},
  compression = '{compression}',
  header = false,
  auto_detect = false,
  strict_mode = false,
  null_padding = false,
  delim = '',
  quote = '',
  escape = '',
  comment = '',
  max_line_size = 65536,
  store_rejects = true,
  rejects_limit = 100000
)
WHERE line <> ''
