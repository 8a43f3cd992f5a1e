// Certificates for one test run. Node signs but writes no X.509: the little DER that it takes is here, so that no suite
// needs an `openssl` program or another dependency.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its private key, both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const TAG = { integer: 2, bits: 3, octets: 4, oid: 6, utf8: 12, sequence: 48, set: 49, time: 24 };

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size: number[] = [];
  for (let rest = body.length; rest > 0; rest >>= 8) size.unshift(rest & 255);
  const head = body.length < 128 ? [tag, body.length] : [tag, 128 | size.length, ...size];
  return Buffer.concat([Buffer.from(head), body]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(TAG.sequence, ...parts);
/** An object identifier, by the hex of its content. */
const oid = (hex: string): Buffer => der(TAG.oid, Buffer.from(hex, 'hex'));
const bits = (content: Buffer): Buffer => der(TAG.bits, Buffer.from([0]), content);
const time = (atMs: number): Buffer =>
  der(TAG.time, Buffer.from(`${new Date(atMs).toISOString().replace(/[-:T]|\.\d+/g, '')}`));

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const COMMON_NAME = '550403';
const BASIC_CONSTRAINTS = '551d13';
const ALTERNATIVE_NAME = '551d11';

const nameOf = (text: string): Buffer =>
  sequence(der(TAG.set, sequence(oid(COMMON_NAME), der(TAG.utf8, Buffer.from(text)))));

const extension = (id: string, value: Buffer): Buffer => sequence(oid(id), der(TAG.octets, value));

function alternativeName(host: string): Buffer {
  return isIP(host) === 4
    ? der(0x87, Buffer.from(host.split('.').map(Number)))
    : der(0x82, Buffer.from(host));
}

interface Issued {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly extensions: readonly Buffer[];
}

function issue({ subject, issuer, publicKey, issuerKey, extensions }: Issued): string {
  const hour = 3_600_000;
  const body = sequence(
    der(0xa0, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, Buffer.from([1, ...randomBytes(8)])),
    ECDSA_SHA256,
    nameOf(issuer),
    sequence(time(Date.now() - hour), time(Date.now() + 24 * hour)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const whole = sequence(body, ECDSA_SHA256, bits(sign('sha256', body, issuerKey)));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;

/** An authority that issues certificates for hosts. */
export function newAuthority(name: string): {
  readonly cert: string;
  issueFor(hosts: readonly string[]): Certificate;
} {
  const own = newKeys();
  const isAuthority = der(1, Buffer.from([255]));
  const cert = issue({
    subject: name,
    issuer: name,
    publicKey: own.publicKey,
    issuerKey: own.privateKey,
    extensions: [extension(BASIC_CONSTRAINTS, sequence(isAuthority))],
  });
  const issueFor = (hosts: readonly string[]): Certificate => {
    const { publicKey, privateKey } = newKeys();
    const names = sequence(...hosts.map(alternativeName));
    return {
      cert: issue({
        subject: hosts[0] ?? name,
        issuer: name,
        publicKey,
        issuerKey: own.privateKey,
        extensions: [extension(ALTERNATIVE_NAME, names)],
      }),
      key: pem(privateKey),
    };
  };
  return { cert, issueFor };
}
