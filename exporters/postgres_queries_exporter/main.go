// Command postgres_queries_exporter exposes the rows of SQL queries, and the
// statistics of PostgreSQL, as metrics. It takes the query files, flags and
// variables of postgres_exporter.
package main

import (
	"os"

	"github.com/dmarc-suite/dmarc-suite/exporters/internal/postgres"
)

func main() { os.Exit(postgres.Program().Run(os.Args[1:], os.Stdout, os.Stderr)) }
