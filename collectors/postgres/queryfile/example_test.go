package queryfile_test

import (
	"fmt"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
)

// Mistakes in a query file come with their places, all at once.
func ExampleParse() {
	_, err := queryfile.Parse("shop.yaml", []byte(`
shop_orders:
  querry: SELECT count(*) AS stored FROM orders
  metrics:
    - stored: {usage: GUAGE}
`))
	fmt.Println(err)
	// Output:
	// shop.yaml:3:3: unknown key "querry" in query "shop_orders", did you mean "query"?
	// shop.yaml:5:23: unknown usage "GUAGE", did you mean "GAUGE"?
}
