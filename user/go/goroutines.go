// Go's runtime at work: far more goroutines than threads, a collector that stops them all, and signals that preempt loops without a call.
// Every result is checked, and what is printed depends on neither the machine nor the order of events.
//
// With the argument "child" it reads numbers from its input and prints their sum: what it starts of itself.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Threads that run goroutines at a time, however many CPUs there are.
const processors = 4

// Threads that each belong to one goroutine.
const bound = 64

func check(holds bool, what string, values ...interface{}) {
	if !holds {
		fmt.Println(append([]interface{}{"wrong:", what}, values...)...)
		os.Exit(1)
	}
}

var operations int64

func done(what string, count int) {
	operations += int64(count)
	fmt.Printf("%s: %d\n", what, count)
}

// A token goes round a ring of goroutines, each of which adds one to it.
func ring() {
	const members, rounds = 1000, 100
	first := make(chan int)
	from := first
	for i := 0; i < members; i++ {
		to := make(chan int)
		go func(from <-chan int, to chan<- int) {
			for token := range from {
				to <- token + 1
			}
			close(to)
		}(from, to)
		from = to
	}
	token := 0
	for i := 0; i < rounds; i++ {
		first <- token
		token = <-from
	}
	close(first)
	_, open := <-from
	check(token == members*rounds && !open, "the ring", token, open)
	done("passed round a ring", token)
}

// Many send to one channel with room, many receive.
func crowd() {
	const senders, receivers, each = 200, 50, 1000
	channel := make(chan int, 64)
	sums := make(chan int)
	var sending sync.WaitGroup
	for i := 0; i < senders; i++ {
		sending.Add(1)
		go func(number int) {
			defer sending.Done()
			for j := 0; j < each; j++ {
				channel <- number
			}
		}(i)
	}
	for i := 0; i < receivers; i++ {
		go func() {
			sum := 0
			for number := range channel {
				sum += number
			}
			sums <- sum
		}()
	}
	sending.Wait()
	close(channel)
	sum := 0
	for i := 0; i < receivers; i++ {
		sum += <-sums
	}
	check(sum == senders*(senders-1)/2*each, "the crowd", sum)
	done("sent to many", senders*each)
}

// Select among channels, a ticker and a time that never comes.
func choices() {
	const each = 20000
	numbers, words, quit := make(chan int), make(chan string), make(chan struct{})
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	go func() {
		for i := 0; i < each; i++ {
			select {
			case numbers <- i:
			case words <- "word":
			}
		}
		close(quit)
	}()
	received, ticks := 0, 0
	never := time.After(time.Hour)
	for over := false; !over || ticks < 3; {
		select {
		case <-numbers:
			received++
		case word := <-words:
			check(word == "word", "a word", word)
			received++
		case <-ticker.C:
			ticks++
		case <-quit:
			over, quit = true, nil
		case <-never:
			check(false, "an hour")
		}
	}
	check(received == each, "choices", received)
	done("chosen", received)
}

// Mutexes, of both kinds, conditions, and atomic words.
func locks() {
	const members, each = 500, 400
	var mutex sync.Mutex
	var both sync.RWMutex
	var first, second, plain int
	var atomics int64
	var group sync.WaitGroup
	for i := 0; i < members; i++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			for j := 0; j < each; j++ {
				mutex.Lock()
				plain++
				mutex.Unlock()
				atomic.AddInt64(&atomics, 1)
				if (number+j)%16 == 0 {
					both.Lock()
					first++
					if j%64 == 0 {
						runtime.Gosched()
					}
					second++
					both.Unlock()
				} else {
					both.RLock()
					check(first == second, "nobody reads between two stores")
					both.RUnlock()
				}
			}
		}(i)
	}
	group.Wait()
	check(plain == members*each && atomics == int64(plain) && first == plain/16, "locks", plain, atomics, first)
	done("locked", 3*plain)

	condition := sync.NewCond(&mutex)
	turn := 0
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func(mine int) {
			defer group.Done()
			mutex.Lock()
			defer mutex.Unlock()
			for turn != mine {
				condition.Wait()
			}
			turn++
			condition.Broadcast()
		}(99 - i)
	}
	group.Wait()
	check(turn == 100, "turns", turn)
	done("turns", turn)
}

// Goroutines that each have a thread to themselves hand a number on.
func threads() {
	const rounds = 200
	var group sync.WaitGroup
	channels := make([]chan int, bound)
	for i := range channels {
		channels[i] = make(chan int, 1)
	}
	ids := make([]int, bound)
	for i := 0; i < bound; i++ {
		group.Add(1)
		go func(mine int) {
			runtime.LockOSThread()
			defer group.Done()
			ids[mine] = syscall.Gettid()
			for j := 0; j < rounds; j++ {
				number := <-channels[mine]
				check(ids[mine] == syscall.Gettid(), "a thread of its own")
				if mine == bound-1 && j == rounds-1 {
					check(number == bound*rounds-1, "handed on", number)
					return
				}
				channels[(mine+1)%bound] <- number + 1
			}
		}(i)
	}
	channels[0] <- 0
	group.Wait()
	sort.Ints(ids)
	for i := 1; i < bound; i++ {
		check(ids[i-1] != ids[i], "different threads", ids)
	}
	done("handed from thread to thread", bound*rounds)
}

type tree struct {
	left, right *tree
	value       int
	ballast     [5]int
}

func grow(depth, value int) *tree {
	if depth == 0 {
		return &tree{value: value}
	}
	return &tree{left: grow(depth-1, 2*value), right: grow(depth-1, 2*value+1), value: value}
}

func (t *tree) sum() int {
	if t == nil {
		return 0
	}
	return t.value + t.left.sum() + t.right.sum()
}

// Trees, strings and maps that many make, keep and drop, while the collector runs.
func garbage() {
	debug.SetGCPercent(20)
	defer debug.SetGCPercent(100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const gardeners, seasons, depth = 16, 12, 9
	nodes := 1<<(depth+1) - 1
	kept := grow(14, 1)
	whole := kept.sum()
	var group sync.WaitGroup
	for i := 0; i < gardeners; i++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			names := map[string]*tree{}
			for season := 0; season < seasons; season++ {
				name := strings.Repeat("x", number+1) + fmt.Sprint(season%4)
				names[name] = grow(depth, 1)
				for known, plant := range names {
					check(plant.sum() == nodes*(nodes+1)/2, "a tree", known)
				}
				if number == 0 {
					runtime.GC()
				}
			}
			check(len(names) == 4, "names", len(names))
		}(i)
	}
	group.Wait()
	check(kept.sum() == whole, "what was kept")
	runtime.ReadMemStats(&after)
	check(after.NumGC-before.NumGC >= 3, "collections", after.NumGC-before.NumGC)
	done("nodes", gardeners*seasons*nodes)

	finished := make(chan int, 100)
	for i := 0; i < 100; i++ {
		runtime.SetFinalizer(&tree{value: i}, func(dead *tree) { finished <- dead.value })
	}
	sum := 0
	for i := 0; i < 100; {
		select {
		case value := <-finished:
			sum += value
			i++
		case <-time.After(10 * time.Millisecond):
			runtime.GC()
		}
	}
	check(sum == 99*100/2, "finalizers", sum)
	done("finalizers", 100)
}

// Loops without a call, which nothing but a signal stops: the collector asks for it, and so does a goroutine that has no processor.
func preemption() {
	var stop uint32
	var group sync.WaitGroup
	counts := make([]uint64, processors+2)
	var started sync.WaitGroup
	for i := range counts {
		group.Add(1)
		started.Add(1)
		go func(mine int) {
			defer group.Done()
			started.Done()
			count, floating := uint64(0), 1.0
			for atomic.LoadUint32(&stop) == 0 {
				count++
				floating = floating*0.5 + 1
			}
			check(floating >= 1 && floating <= 2, "a floating-point number", floating)
			counts[mine] = count
		}(i)
	}
	started.Wait()
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	atomic.StoreUint32(&stop, 1)
	group.Wait()
	for i, count := range counts {
		check(count > 0, "a turn for each", i)
	}
	done("loops stopped", len(counts))
}

// Timers of many goroutines, in order.
func timers() {
	const sleepers = 300
	var group sync.WaitGroup
	var late int64
	start := time.Now()
	for i := 0; i < sleepers; i++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			wanted := time.Duration(number%30) * time.Millisecond
			time.Sleep(wanted)
			if time.Since(start) < wanted {
				atomic.AddInt64(&late, 1)
			}
		}(i)
	}
	group.Wait()
	check(late == 0, "nobody wakes early", late)
	fired := make(chan int, 10)
	for i := 9; i >= 0; i-- {
		number, set := i, time.Now()
		time.AfterFunc(time.Duration(number)*20*time.Millisecond, func() {
			check(time.Since(set) >= time.Duration(number)*20*time.Millisecond, "no timer fires early", number)
			fired <- number
		})
	}
	stopped := time.AfterFunc(time.Hour, func() { check(false, "a stopped timer") })
	check(stopped.Stop(), "it had not fired")
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-fired
	}
	check(sum == 9*10/2, "each timer once", sum)
	done("slept", sleepers+10)
}

// Signals to the process, told on a channel, while goroutines compute.
func signals() {
	const count, loops = 50, 2
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	var stop uint32
	var group sync.WaitGroup
	for i := 0; i < loops; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for atomic.LoadUint32(&stop) == 0 {
			}
		}()
	}
	for i := 0; i < count; i++ {
		check(syscall.Kill(os.Getpid(), syscall.SIGUSR1) == nil, "kill")
		check(<-told == syscall.SIGUSR1, "told")
	}
	atomic.StoreUint32(&stop, 1)
	group.Wait()
	signal.Reset(syscall.SIGUSR1)
	done("signals", count)
}

// Faults become panics, which are recovered from.
func faults() {
	const count = 500
	var nothing *tree
	zero, recovered := 0, 0
	attempt := func(work func()) {
		defer func() {
			if failure := recover(); failure != nil {
				_, isError := failure.(runtime.Error)
				check(isError, "a runtime error", failure)
				recovered++
			}
		}()
		work()
	}
	for i := 0; i < count; i++ {
		attempt(func() { nothing.value++ })
		attempt(func() { zero = 1 / zero })
	}
	check(recovered == 2*count, "recovered", recovered)
	done("recovered", recovered)
}

// Pipes between goroutines, by the runtime's poller.
func pipes() {
	const count, lines = 8, 200
	var group sync.WaitGroup
	for i := 0; i < count; i++ {
		reader, writer, err := os.Pipe()
		check(err == nil, "pipe", err)
		group.Add(2)
		go func(number int) {
			defer group.Done()
			defer writer.Close()
			for line := 0; line < lines; line++ {
				fmt.Fprintln(writer, number, line)
			}
		}(i)
		go func(number int) {
			defer group.Done()
			defer reader.Close()
			line := 0
			for scanner := bufio.NewScanner(reader); scanner.Scan(); line++ {
				check(scanner.Text() == fmt.Sprint(number, " ", line), "a line", scanner.Text())
			}
			check(line == lines, "lines", line)
		}(i)
	}
	group.Wait()
	reader, writer, err := os.Pipe()
	check(err == nil, "pipe", err)
	check(reader.SetReadDeadline(time.Now().Add(5*time.Millisecond)) == nil, "a deadline")
	_, err = reader.Read(make([]byte, 1))
	check(os.IsTimeout(err), "timed out", err)
	check(reader.Close() == nil && writer.Close() == nil, "closed")
	done("lines", count*lines)
}

// Children that this program starts of itself, several at once.
func children() {
	const count = 6
	self, err := os.Executable()
	check(err == nil, "the program's path", err)
	var group sync.WaitGroup
	for i := 0; i < count; i++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			command := exec.Command(self, "child")
			command.Env = append(os.Environ(), fmt.Sprintf("STATUS=%d", number))
			command.Stdin = strings.NewReader(fmt.Sprintf("%d 20 300\n", number))
			var output bytes.Buffer
			command.Stdout = &output
			err := command.Run()
			check(output.String() == fmt.Sprintln(number+320), "a child's sum", output.String(), err)
			check(command.ProcessState.ExitCode() == number, "a child's status", err)
		}(i)
	}
	group.Wait()
	killed := exec.Command(self, "child")
	input, err := killed.StdinPipe()
	check(err == nil && killed.Start() == nil, "a child", err)
	check(killed.Process.Kill() == nil, "kill")
	err = killed.Wait()
	input.Close()
	check(err != nil && err.Error() == "signal: killed", "killed", err)
	done("children", count+1)
}

func child() {
	var numbers [3]int
	_, err := fmt.Scan(&numbers[0], &numbers[1], &numbers[2])
	check(err == nil, "numbers", err)
	fmt.Println(numbers[0] + numbers[1] + numbers[2])
	var status int
	fmt.Sscan(os.Getenv("STATUS"), &status)
	os.Exit(status)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		child()
	}
	runtime.GOMAXPROCS(processors)
	parts := []func(){ring, crowd, choices, locks, threads, garbage, preemption, timers, signals, faults, pipes, children}
	for _, part := range parts {
		part()
	}
	fmt.Println("operations:", operations)
}
