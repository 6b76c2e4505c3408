/**
 * Whether a row of a captured table may have been changed once more before its capture trigger sees it. Then what the trigger has at
 * hand is older than what was captured meanwhile, and the row has to be read again. Pure: expressions of SQL over the catalogue, for
 * a connection whose search_path is pg_catalog alone.
 *
 * A row trigger of the POS on the table itself and a cascade that comes back always may. Any other trigger does where the statement
 * that fires it writes this table, too: rows beside the one that a BEFORE trigger is about, or an order that one statement makes
 * together with its lines, whose triggers sum them up in it. Which tables triggers write is told by the names in the functions of
 * the database, whoever calls them: a guess that rather doubts once too often, for a doubt costs a sale next to nothing.
 */

const WRITING = ['insert', 'update', 'delete', 'merge', 'copy', 'execute'].map(
  (word) => `strpos(f.text, '${word}') > 0`,
);

/**
 * To stand behind WITH RECURSIVE: the texts of all functions that write something, where there is any trigger to run them. A
 * statement that is put together at run time, or a body that is kept as no text, may write whatever there is: null. Not those that
 * another session has made for itself, a report say: they come and go, and no trigger runs them.
 */
export const WRITTEN_BY_FUNCTIONS = `writing(text) AS MATERIALIZED (
    SELECT CASE WHEN f.text <> '' AND strpos(f.text, 'execute') = 0 THEN f.text END
    FROM (SELECT lower(p.prosrc) AS text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
          WHERE p.oid >= 16384 AND l.lanname NOT IN ('c', 'internal') AND n.nspname <> 'syncd' AND NOT pg_is_other_temp_schema(n.oid) OFFSET 0) f
    WHERE (f.text = '' OR ${WRITING.join(' OR ')})
      AND EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace s ON s.oid = p.pronamespace
                  WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND p.oid >= 16384 AND s.nspname <> 'syncd')
  )`;

/**
 * An expression of type boolean; `writing` must be at hand.
 * @param table an expression of type oid, of none of the aliases k, t, p, n
 */
export const changedInBetween = (table: string): string => `(
    EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = ${table} AND k.contype = 'f'
            AND (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('n', 'd')))
    OR EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
               WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 1 = 1 AND t.tgtype & 66 = 0 AND n.nspname <> 'syncd'
                 AND t.tgrelid IN (WITH RECURSIVE member(oid) AS (
                                     SELECT ${table} UNION SELECT i.inhrelid FROM member m JOIN pg_inherits i ON i.inhparent = m.oid)
                                   SELECT oid FROM member))
    OR EXISTS (SELECT FROM writing WHERE writing.text IS NULL)
    OR EXISTS (WITH RECURSIVE alias(oid) AS (
                 SELECT ${table} UNION SELECT next.oid FROM alias a CROSS JOIN LATERAL (
                   SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = a.oid
                   UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN pg_class r ON r.oid = i.inhrelid AND NOT r.relispartition
                     WHERE i.inhparent = a.oid
                   UNION ALL SELECT w.ev_class FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
                     WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.oid) AS next(oid))
               SELECT FROM alias a JOIN pg_class c ON c.oid = a.oid JOIN writing ON strpos(writing.text, lower(c.relname)) > 0))`;
