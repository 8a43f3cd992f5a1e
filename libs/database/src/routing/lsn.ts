// Positions in the write-ahead log.

/** `16/B374D848` as a number of bytes. */
export function parseLsn(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** Bytes of the header that most pages of the log begin with, and of the pages. */
const PAGE = { header: 24n, size: 8_192n };

/**
 * The position that stands for every record so far, asynchronous commits included, which are inserted before
 * they are written. At the start of a page the next record is inserted behind the header: that place counts as
 * the end of the page before, for no replica ever says that it has replayed a header.
 */
export function endOfRecords(written: bigint, inserted: bigint): bigint {
  const isHeaderOnly = inserted - written === PAGE.header && written % PAGE.size === 0n;
  return isHeaderOnly || inserted < written ? written : inserted;
}
