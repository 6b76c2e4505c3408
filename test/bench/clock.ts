/** The host's monotonic clock in ms: the same in every process, so that instants of two processes can be subtracted. */
export function hostMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
