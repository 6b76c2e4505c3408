/** What is not in the cloud yet, what failed with the cloud's own words, what was settled: in pages, with what can be done. */
export function Queue() {
  return <p>…</p>;
}
