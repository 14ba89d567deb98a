/* A library whose loading takes as long as the program that loads it wants: see test_crash.c. */
void module_loads(void);

__attribute__((constructor)) static void load(void)
{
    module_loads();
}
