// How connections are encrypted and whom they trust.
import type { Checks } from '../kernel/option-checks.js';

/**
 * `disable`: clear text. `require`: encrypted, the certificate is not looked at. `verify-ca`: its
 * chain is verified. `verify-full`: its chain and its host name are.
 */
export type TlsMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

/** All modes, in the order of their strength. */
export const TLS_MODES: readonly TlsMode[] = ['disable', 'require', 'verify-ca', 'verify-full'];

/** TLS of all connections of an instance. */
export interface TlsOptions {
  /** How strict it is; a URL's `sslmode` goes before. @default 'disable', in production 'verify-full' */
  readonly mode: TlsMode;
  /** Root certificates in PEM instead of those of Node. */
  readonly ca?: string | undefined;
  /** The client's certificate in PEM. */
  readonly cert?: string | undefined;
  /** The client's private key in PEM. */
  readonly key?: string | undefined;
  /** Name to verify instead of the host's. */
  readonly servername?: string | undefined;
}

/** Reads the option `tls`: a mode, or an object, or undefined for the default. */
export function resolveTls(given: unknown, fallback: TlsMode, checks: Checks): TlsOptions {
  const keys = ['mode', 'ca', 'cert', 'key', 'servername'];
  if (given === false) return { mode: 'disable' };
  if (given === true) return { mode: 'verify-full' };
  const raw = typeof given === 'string' ? { mode: given } : given;
  const tls = checks.slice<TlsOptions>('tls', raw, { mode: fallback }, keys);
  checks.oneOf('tls.mode', tls.mode, TLS_MODES);
  return tls;
}
