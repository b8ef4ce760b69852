// Says of each access token in the arguments, in order, whose it is, or that it was refused.
package main

import (
	"context"
	"encoding/json"
	"os"

	"orders/access"
)

func main() {
	verify, err := access.NewVerifier(context.Background())
	if err != nil {
		panic(err)
	}
	lines := json.NewEncoder(os.Stdout)
	for _, token := range os.Args[1:] {
		claims, err := verify(token)
		if err != nil {
			lines.Encode(map[string]string{"refused": err.Error()})
		} else {
			lines.Encode(map[string]string{"sub": claims.Subject, "sid": claims.SessionID})
		}
	}
}
