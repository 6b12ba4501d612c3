"""The OpenAI SDK as its manual shows it: URL REQUESTS STREAMS RATE PROMPT_TOKENS MAX_TOKENS LOG.

Writes a line of JSON for each request: its time to first content, on time.perf_counter_ns, which is CLOCK_MONOTONIC.
"""

import asyncio
import json
import sys
import time

from openai import AsyncOpenAI

url, requests, streams, rate, prompt_tokens, max_tokens, log = sys.argv[1:]
requests, streams, rate = int(requests), int(streams), int(rate)
prompt = " word" * int(prompt_tokens)
client = AsyncOpenAI(base_url=url, api_key="EMPTY", max_retries=0, timeout=120)


async def ask(number):
    name = f"sdk-{number}"
    row = {"id": name, "ttft_ns": None, "sent_ns": time.perf_counter_ns(), "last_ns": 0, "events": 0}
    try:
        stream = await client.chat.completions.create(
            model="ttft-sim/instant",
            messages=[{"role": "user", "content": prompt}],
            max_tokens=int(max_tokens),
            temperature=0,
            stream=True,
            extra_headers={"x-request-id": name},
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                now = time.perf_counter_ns()
                if row["events"] == 0:
                    row["ttft_ns"] = now - row["sent_ns"]
                row["last_ns"] = now
                row["events"] += 1
    except Exception as error:
        row["error"] = str(error)
    return row


async def main():
    free = asyncio.Semaphore(streams)

    async def one(number):
        if rate:
            await asyncio.sleep(number / rate)
        async with free:
            return await ask(number)

    rows = await asyncio.gather(*(one(number) for number in range(requests)))
    with open(log, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


asyncio.run(main())
