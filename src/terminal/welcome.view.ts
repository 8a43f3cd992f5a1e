// What a freshly started app prints.

/** What to open and what to try. */
export function welcome(url: string): string {
  return `
  The market data app is up.

  ${url}/docs           all routes, to try in the browser
  ${url}/health         is the process alive?    ${url}/health/ready  can it serve?
  ${url}/metrics        for Prometheus           ${url}/status        Terminus, with indicators

  curl ${url}/market/quotes/MSFT
  curl '${url}/market/candles/SP500?interval=month&from=2008-01-01&limit=12'
  curl -X POST ${url}/portfolios -H 'Content-Type: application/json' -d '{"name":"First"}'
  curl -X POST ${url}/portfolios/<id>/orders -H 'Content-Type: application/json' \\
       -H "Idempotency-Key: $(uuidgen)" -d '{"symbol":"MSFT","side":"buy","quantity":100}'

  npm run demo         live traffic and the pool's figures, in another terminal
  Ctrl+C               ends the app and its database
`;
}
