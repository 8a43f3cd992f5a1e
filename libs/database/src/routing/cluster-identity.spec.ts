// Which cluster counts, of those that the hosts say they belong to.
import { expect, it } from '@jest/globals';
import { identify } from './cluster-identity.js';
import type { Identified } from './cluster-identity.js';

const node = (systemId?: string, change: Partial<Identified> = {}): Identified => ({
  declaredRole: 'auto',
  systemId,
  wasAsked: systemId !== undefined,
  ...change,
});
const failed = node(undefined, { wasAsked: true });
const declared = (systemId?: string): Identified => node(systemId, { declaredRole: 'primary' });

it.each<[string, Identified[], string | undefined, string | undefined]>([
  ['nobody’s before anybody has answered', [node(), node()], undefined, undefined],
  ['the only node’s, even when it was another one before', [node('new')], 'old', 'new'],
  ['the declared primary’s, against any majority', [declared('a'), node('b'), node('b')], 'b', 'a'],
  [
    'what most nodes say, before the last one was asked',
    [node('a'), node('a'), node()],
    undefined,
    'a',
  ],
  ['not yet what one of two says', [node('a'), node()], undefined, undefined],
  ['what one of two says when the other has failed', [failed, node('a')], undefined, 'a'],
  ['the first one’s between equals', [node('b'), node('a')], undefined, 'b'],
  ['the most frequent one’s', [node('a'), node('b'), node('b'), failed, failed], undefined, 'b'],
  ['the one that counted before, between equals', [node('b'), node('a')], 'a', 'a'],
  ['the one that counted before, though only a stranger is left', [failed, node('b')], 'a', 'a'],
  ['that of a cluster which was rebuilt as a whole', [node('b'), node('b'), failed], 'a', 'b'],
])('it is %s', (_, nodes, established, expected) => {
  expect(identify(nodes, established)).toBe(expected);
});
