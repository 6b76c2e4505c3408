/**
 * Whether a row of a captured table may have been changed once more before its capture trigger sees it. Then what the trigger has at
 * hand is older than what was captured meanwhile, and the row has to be read again. Pure: expressions of SQL over the catalogue, for
 * a connection whose search_path is pg_catalog alone.
 *
 * A row trigger of the POS on the table itself and a cascade that comes back always may. Any other trigger does where the statement
 * that fires it writes this table, too: rows beside the one that a BEFORE trigger is about, or an order that one statement makes
 * together with its lines, whose triggers sum them up in it. Those are told by the words of their functions and of the functions
 * that they call: a guess that rather reads once too often.
 */

const WORD = '[[:alpha:]_][[:alnum:]_$]*';

/** To stand behind WITH RECURSIVE: the words of all functions that the POS's triggers run and that write anything. What cannot be read counts as put together at run time. */
export const SAID_BY_TRIGGERS = `run(oid) AS (
    SELECT t.tgfoid FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND n.nspname <> 'syncd'
    UNION SELECT p.oid FROM run r JOIN pg_proc f ON f.oid = r.oid
    CROSS JOIN LATERAL regexp_matches(lower(f.prosrc), '${WORD}', 'g') AS w(word)
    JOIN pg_proc p ON lower(p.proname) = w.word[1] AND p.oid >= 16384
  ), said(word) AS MATERIALIZED (
    SELECT w.word[1] FROM run r JOIN pg_proc f ON f.oid = r.oid
    CROSS JOIN LATERAL regexp_matches(lower(f.prosrc), '${WORD}', 'g') AS w(word)
    WHERE f.prosrc ~* '\\m(insert|update|delete|merge|copy|execute)\\M'
    UNION SELECT 'execute' FROM run r JOIN pg_proc f ON f.oid = r.oid WHERE f.prosrc = ''
  )`;

/**
 * An expression of type boolean; `said` must be at hand.
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
    OR EXISTS (SELECT FROM said WHERE said.word = 'execute')
    OR EXISTS (WITH RECURSIVE alias(oid) AS (
                 SELECT ${table} UNION SELECT next.oid FROM alias a CROSS JOIN LATERAL (
                   SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = a.oid
                   UNION ALL SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = a.oid
                   UNION ALL SELECT w.ev_class FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
                     WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.oid) AS next(oid))
               SELECT FROM alias a JOIN pg_class c ON c.oid = a.oid
               WHERE coalesce(substring(lower(c.relname) FROM '${WORD}') IN (SELECT said.word FROM said), true)))`;
