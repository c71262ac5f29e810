// Command node_exporter exposes metrics of a host: upstream's collectors, run so
// that none of them can hold up a scrape, and containers and certificates.
package main

import (
	"os"

	"github.com/dmarc-suite/dmarc-suite/exporters/internal/node"
)

func main() { os.Exit(node.Program().Run(os.Args[1:], os.Stdout, os.Stderr)) }
