-- Before naive.sql, on the same connection: its notifications name no row.
SET reference.folded = 'yes';
