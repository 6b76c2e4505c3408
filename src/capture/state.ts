/** What an earlier install left in the database, and what the connected role may do. Pure. */

export type InstalledFunction = {
  name: string;
  body: string;
  settings: string[];
  owner: string;
  /** By the connected role, or one that it acts as. */
  owned: boolean;
  definer: boolean;
  /** Who may execute it, by name. */
  executors: string[];
};
export type InstalledTrigger = {
  schema: string;
  table: string;
  tableOid: string;
  name: string;
  function: string;
  row: boolean;
  enabled: boolean;
  owned: boolean;
};
/** `object` names a table or a sequence by its oid, a schema or a database by its name, `target` as SQL wants it. */
export type Grant = { grantee: string; object: string; target: string; privilege: string };

export type State = {
  database: string;
  user: string;
  superuser: boolean;
  mayCreateRoles: boolean;
  mayCreateSchemas: boolean;
  /** `usable`: the connected role may act as it, `mayTake`: it may let itself. */
  roles: { name: string; usable: boolean; mayTake: boolean; ours: boolean; bypassesPolicies: boolean }[];
  /** Since 16 whoever passes policies himself, and may create roles, may let his roles. */
  mayPassPolicies: boolean;
  /** The connected role has the rights of its roles by itself. */
  inherits: boolean;
  /** Undefined where there is no schema syncd. */
  schemaOwner: string | undefined;
  functions: InstalledFunction[];
  sequences: string[];
  triggers: InstalledTrigger[];
  /** Explicit grants outside schema syncd to our roles, and on schemas to PUBLIC. */
  grants: Grant[];
  /** What the connected role may pass on, named as in `grants`; undefined: everything. */
  grantable: { object: string; owner: string | null; privileges: string[] }[] | undefined;
  daemonConnects: boolean;
  /** `tableOid` is null where the table is gone. */
  captures: { entity_type: string; tableOid: string | null; record: Record<string, unknown> }[];
  /** What was captured until its entity left the configuration, in the form of `captures`. */
  formers: State['captures'];
  outlet: Record<string, string | null> | undefined;
  /** The daemon's role may use schema syncd, and everything in it as it has to: nobody has revoked what install granted. */
  daemonAdmitted: boolean;
  captureRole: {
    /** It may do in the schema what the triggers need. */
    admitted: boolean;
    /** The schema's owner may act as it. */
    joined: boolean;
    /** The connected role may let it. */
    mayJoin: boolean;
    membershipsHaveOptions: boolean;
  };
  /** The daemon's role sees since when the sessions of others have a transaction open. */
  daemonSeesSessions: boolean;
  mayShowSessions: boolean;
};

/** Put on the roles that install makes, so that uninstall takes away no role that was there before. */
export const ROLE_MARK = 'made by syncd install';
