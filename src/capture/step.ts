/** What a step of an install or uninstall is. Pure. One step is one transaction. */

export type Step = {
  /** What changes, for people. */
  about: string;
  statements: string[];
  /** Run as the owner of schema syncd, not as the connected role. */
  asOwner?: boolean;
  /** The POS table that is locked meanwhile. */
  locks?: string;
  /** Another database's install may do the same at this moment. */
  sharedByDatabases?: boolean;
};
