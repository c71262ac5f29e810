// Command redis_exporter exposes the metrics of Redis and of servers like it.
package main

import (
	"os"

	"github.com/dmarc-suite/dmarc-suite/exporters/internal/redis"
)

func main() { os.Exit(redis.Program().Run(os.Args[1:], os.Stdout, os.Stderr)) }
