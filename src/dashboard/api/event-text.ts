/** Takes a stream of server-sent events apart as its pieces come. Pure but for what it remembers of the piece before. */

export type ServerEvent = { event: string; data: string };

export class EventText {
  #rest = '';

  /** The events that this piece completes; comments are none. */
  take(piece: string): ServerEvent[] {
    const blocks = (this.#rest + piece).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => {
      let event = 'message';
      const data: string[] = [];
      for (const line of block.split('\n')) {
        if (line.startsWith('event: ')) event = line.slice(7);
        else if (line.startsWith('data: ')) data.push(line.slice(6));
      }
      return data.length > 0 ? [{ event, data: data.join('\n') }] : [];
    });
  }
}
