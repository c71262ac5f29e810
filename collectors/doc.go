// Package collectors has what the collectors in the folders below it have in
// common for the programs that embed them: ContextCollector, and WithContext,
// which makes a scrape keep its deadline.
//
//	registry := prometheus.NewRegistry() // one for each scrape
//	registry.MustRegister(collectors.WithContext(ctx, collector))
package collectors
