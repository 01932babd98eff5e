package measure

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Machine describes where figures were taken.
type Machine struct {
	CPU    string
	Cores  int
	Memory string
	System string
	Go     string
	Time   time.Time
}

// ThisMachine describes the machine the program runs on, as far as the system tells.
func ThisMachine() Machine {
	return Machine{
		CPU:    procField("/proc/cpuinfo", "model name"),
		Cores:  runtime.NumCPU(),
		Memory: procField("/proc/meminfo", "MemTotal"),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Go:     runtime.Version(),
		Time:   time.Now().UTC(),
	}
}

// String is one line: cores, processor, memory, system, Go version and date.
func (m Machine) String() string {
	return fmt.Sprintf("%d × %s, memory %s, %s, %s, GOMAXPROCS %d, %s.", m.Cores, m.CPU, m.Memory, m.System, m.Go,
		runtime.GOMAXPROCS(0), m.Time.Format("2006-01-02"))
}

// procField returns the value of the first "name: value" line of a file under /proc, else "unknown".
func procField(file, name string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(content)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
