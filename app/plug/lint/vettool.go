package lint

import (
	"strings"

	"golang.org/x/tools/go/analysis/unitchecker"

	"plugboard/app/plug/site"
)

// IsVetCall reports whether go vet, which calls this program as its tool, gave the arguments.
func IsVetCall(args []string) bool {
	return len(args) > 0 && (strings.HasPrefix(args[0], "-V") || args[0] == "-flags" || strings.HasSuffix(args[len(args)-1], ".cfg"))
}

// Vet is go vet's tool: it looks at the one package that the process's arguments name, and ends the process.
func Vet() { unitchecker.Main(Rules(site.Contract())...) }
