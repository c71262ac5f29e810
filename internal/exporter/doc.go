// Package exporter is the trunk that every binary of the suite shares: the flags
// of the web server and the logger, the scrape with its deadline, probes,
// reload, health and shutdown.
//
// A scrape is one gather over the collectors that Options.Collectors names. It
// follows rules that hold for every binary:
//
//   - The scraper's own timeout, told in X-Prometheus-Scrape-Timeout-Seconds,
//     less an offset, is the deadline. The answer leaves by then with what has
//     arrived, even if a collector ignores its context.
//   - Identical scrapes at the same time share one gather.
//   - A collector that panics, sends duplicates or invalid metrics costs only
//     those metrics. They are counted, and a cause is logged once.
//   - A collector that is still stuck in an earlier scrape is not started again.
//
// Several exporters share a process as Parts: what one does, or does not, costs
// the others nothing.
//
// Only this package and the mains know flags, HTTP and log formats; collectors
// know none of them.
package exporter
