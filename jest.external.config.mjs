// `npm run test:external`: suites that need programs which no npm package carries. Not part of `npm test`.
import base from './jest.config.mjs';

const server = base.projects.find(({ displayName }) => displayName === 'server');

/** @type {import('jest').Config} */
export default {
  ...base,
  projects: [
    { ...server, displayName: 'external', testMatch: ['<rootDir>/test/external/**/*.spec.ts'] },
  ],
};
