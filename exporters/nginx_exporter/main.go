// Command nginx_exporter exposes nginx's stub_status and access logs as metrics.
package main

import (
	"os"

	"github.com/dmarc-suite/dmarc-suite/exporters/internal/nginx"
)

func main() { os.Exit(nginx.Program().Run(os.Args[1:], os.Stdout, os.Stderr)) }
