// `npm run test:poolers`: suites that need a pooler, which no npm package carries. Not part of `npm test`.
import base from './jest.config.mjs';

const server = base.projects.find(({ displayName }) => displayName === 'server');

/** @type {import('jest').Config} */
export default {
  ...base,
  projects: [
    { ...server, displayName: 'poolers', testMatch: ['<rootDir>/test/poolers/**/*.spec.ts'] },
  ],
};
