/* The program that ends at once: what fork, exec and wait are measured with. */
int main(void)
{
	return 0;
}
