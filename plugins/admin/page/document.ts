/** The dashboard, without numbers: those come by /events. */
export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Headgate</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%232a6fdb' d='M2 1h3v14H2zm9 0h3v14h-3zM6 3h4v2H6zm0 4h4v2H6z'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/assets/uplot.css">
<link rel="stylesheet" href="/assets/style.css">
<script src="/assets/uplot.js" defer></script>
<script type="module" src="/assets/main.js"></script>
</head>
<body>
<a class="skip" href="#upstreams">Skip to the upstreams</a>
<header>
<h1>Headgate</h1>
<p id="connection" class="connection" role="status">Connecting …</p>
</header>
<noscript><p class="notice">This page needs JavaScript; the same is told by the API (/openapi.json).</p></noscript>
<main>
<section aria-labelledby="now-title">
<h2 id="now-title" class="hidden">Now</h2>
<dl class="tiles">
<div><dt>Requests a second</dt><dd id="rate">–</dd></div>
<div><dt>5xx in the last minute</dt><dd id="errors">–</dd></div>
<div><dt>Latency p50</dt><dd id="p50">–</dd></div>
<div><dt>Latency p99</dt><dd id="p99">–</dd></div>
<div><dt>In flight</dt><dd id="pending">–</dd></div>
<div><dt>Cache hits</dt><dd id="cache">–</dd></div>
<div><dt>Refused by limits</dt><dd id="refused">–</dd></div>
</dl>
</section>
<section class="charts" aria-label="The last ten minutes">
<figure>
<figcaption id="rate-title">Requests a second, by status</figcaption>
<div id="rate-chart" class="chart" role="img" aria-labelledby="rate-title rate-summary"></div>
<p id="rate-summary" class="hidden"></p>
<ul class="legend" aria-label="Requests in the last second, by status">
<li><span class="swatch s2"></span>2xx <b id="s2">–</b></li>
<li><span class="swatch s3"></span>3xx <b id="s3">–</b></li>
<li><span class="swatch s4"></span>4xx <b id="s4">–</b></li>
<li><span class="swatch s5"></span>5xx <b id="s5">–</b></li>
</ul>
</figure>
<figure>
<figcaption id="latency-title">Latency in milliseconds</figcaption>
<div id="latency-chart" class="chart" role="img" aria-labelledby="latency-title latency-summary"></div>
<p id="latency-summary" class="hidden"></p>
<ul class="legend" aria-label="Latency in the last second with a request">
<li><span class="swatch p50"></span>p50 <b id="l50">–</b></li>
<li><span class="swatch p90"></span>p90 <b id="l90">–</b></li>
<li><span class="swatch p99"></span>p99 <b id="l99">–</b></li>
</ul>
</figure>
</section>
<section aria-labelledby="upstreams" >
<h2 id="upstreams" tabindex="-1">Upstreams</h2>
<div id="upstream-list"><p class="none">None yet.</p></div>
</section>
<section aria-labelledby="workers-title">
<h2 id="workers-title">Workers</h2>
<table role="table" aria-labelledby="workers-title">
<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Worker</th><th role="columnheader" scope="col">Process</th><th role="columnheader" scope="col">Up for</th><th role="columnheader" scope="col">Busy</th><th role="columnheader" scope="col">Memory</th><th role="columnheader" scope="col">Heap</th><th role="columnheader" scope="col">Connections</th></tr></thead>
<tbody id="workers" role="rowgroup"></tbody>
</table>
</section>
<section aria-labelledby="failures-title">
<h2 id="failures-title">Recent errors</h2>
<p id="no-failures" class="none">None.</p>
<table id="failures-table" role="table" aria-labelledby="failures-title" hidden>
<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Time</th><th role="columnheader" scope="col">Status</th><th role="columnheader" scope="col">Times</th><th role="columnheader" scope="col">Request</th><th role="columnheader" scope="col">Endpoint</th><th role="columnheader" scope="col">Reason</th></tr></thead>
<tbody id="failures" role="rowgroup"></tbody>
</table>
</section>
</main>
<p id="message" class="message" role="status" aria-live="polite"></p>
<dialog id="token-dialog" aria-labelledby="token-title">
<form id="token-form">
<h2 id="token-title">Token</h2>
<p id="token-hint">This gateway asks for the token of its option <code>token</code>. It is kept until this tab is closed.</p>
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" required aria-describedby="token-hint">
<p id="token-error" class="status" role="alert"></p>
<button type="submit">Continue</button>
</form>
</dialog>
</body>
</html>
`
