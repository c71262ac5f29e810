package collectors_test

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors"
	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
)

// A backend that hangs costs a scrape its own metrics, and not the deadline.
func ExampleWithContext() {
	collector := nginx.New([]nginx.Target{{URL: "http://127.0.0.1:1/stub_status"}}, nginx.Config{})

	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Second)
	defer cancel()
	registry := prometheus.NewRegistry() // of one scrape
	registry.MustRegister(collectors.WithContext(ctx, collector))
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range families {
		if f.GetName() == "nginx_up" {
			fmt.Println(f.GetName(), f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	// Output: nginx_up 0
}
