//go:build linux

package node_test

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/node"
)

// A program that embeds the collectors passes upstream's flags as arguments. One
// registry may have some of the collectors and another one others.
func Example() {
	host, err := node.New([]string{"--no-collector.powersupplyclass"}, node.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	few, err := host.Filter([]string{"meminfo", "loadavg"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(few)
	fmt.Println(few.Names())
	// Output: [loadavg meminfo]
}
