// Lets plain Node run the app from its sources, on the library's sources: `node --import ./test/app/register-app.mjs src/main.ts`.
import { register } from 'node:module';
import '../support/register-ts.mjs';

register('./library-hooks.mjs', import.meta.url);
