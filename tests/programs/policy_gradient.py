# REINFORCE on a corridor of five places, a Gaussian policy, and a Q network with a target network and a replay memory.
import io
import random
from collections import deque

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical, Normal, kl_divergence

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.manual_seed(0)
random.seed(0)


class Corridor:
    def reset(self):
        self.place = 0
        return self.state()

    def state(self):
        return F.one_hot(torch.tensor(self.place), 5).float().to(device)

    def step(self, action):
        self.place = max(0, self.place + (1 if action == 1 else -1))
        done = self.place == 4
        return self.state(), 1.0 if done else -0.05, done


env = Corridor()
policy = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 2)).to(device)
optimizer = optim.Adam(policy.parameters(), lr=0.02)
for _ in range(80):
    state, logs, rewards = env.reset(), [], []
    for _ in range(30):
        m = Categorical(logits=policy(state))
        action = m.sample()
        logs.append(m.log_prob(action))
        state, reward, done = env.step(action.item())
        rewards.append(reward)
        if done:
            break
    returns, r = [], 0.0
    for reward in reversed(rewards):
        r = reward + 0.95 * r
        returns.insert(0, r)
    returns = torch.tensor(returns, device=device)
    returns = returns - 0.3  # a baseline
    loss = -(torch.stack(logs) * returns).sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    optimizer.step()
with torch.no_grad():
    assert Categorical(logits=policy(env.reset())).probs[1].item() > 0.5

mean, log_std = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
optimizer = optim.Adam([mean, log_std], lr=0.05)
for _ in range(150):
    q, prior = Normal(mean, log_std.exp()), Normal(torch.zeros(1), torch.ones(1))
    loss = ((q.rsample((64,)) - 2) ** 2).mean() + 0.01 * kl_divergence(q, prior).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
assert abs(mean.item() - 2) < 0.3 and q.entropy().item() < prior.entropy().item()

net, target = nn.Linear(5, 2), nn.Linear(5, 2)
target.load_state_dict(net.state_dict())
memory = deque(maxlen=500)
optimizer = optim.SGD(net.parameters(), lr=0.2)
state = env.reset()
for step in range(400):
    action = random.randrange(2)
    following, reward, done = env.step(action)
    memory.append((state, action, reward, following, done))
    state = env.reset() if done else following
    if len(memory) < 32:
        continue
    s, a, r, n, d = zip(*random.sample(memory, 32), strict=True)
    a, r, d = torch.tensor(a), torch.tensor(r), torch.tensor(d, dtype=torch.float32)
    value = net(torch.stack(s)).gather(1, a.unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        goal = r + 0.9 * (1 - d) * target(torch.stack(n)).max(1).values
    loss = F.smooth_l1_loss(value, goal)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        target.load_state_dict(net.state_dict())
assert net(torch.eye(5)[:4]).argmax(1).tolist() == [1, 1, 1, 1]

buffer = io.BytesIO()
torch.save(net.state_dict(), buffer)
buffer.seek(0)
other = nn.Linear(5, 2)
other.load_state_dict(torch.load(buffer, map_location=device, weights_only=True))
torch.testing.assert_close(other(torch.eye(5)), net(torch.eye(5)))
print(net, policy, q, sep="\n")
