"""Reinforcement learning: a cart learns to balance a pole by proximal policy optimisation (PPO). Solved: 475 steps on average.

The cart-pole of Barto, Sutton and Anderson (1983), with the limits and rewards of Gym's CartPole-v1: one reward a step until the pole
leans 12 degrees, the cart leaves the track, or 500 steps have passed. Sixteen carts run side by side. PPO: Schulman et al. (2017).
"""

import argparse
import time

import numpy as np

import fastnn
from fastnn import nn, optim
from fastnn.distributions import Categorical


class CartPole:
    """count cart-poles at once: states are (count, 4) = position, velocity, angle, angular velocity; actions (count,) of 0 or 1."""

    def __init__(self, count, rng):
        self.rng, self.state, self.steps = rng, np.zeros((count, 4)), np.zeros(count, int)
        self.restart(np.ones(count, bool))

    def restart(self, which):
        self.state = np.where(which[:, None], self.rng.uniform(-0.05, 0.05, self.state.shape), self.state)
        self.steps[which] = 0

    def step(self, action):
        """(state after the step, fallen, out of time); those that ended start anew when `restart` is called."""
        gravity, cart, pole, half_length, force, dt = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
        _, v, angle, spin = self.state.T
        sin, cos = np.sin(angle), np.cos(angle)
        push = (np.where(action == 1, force, -force) + pole * half_length * spin**2 * sin) / (cart + pole)
        torque = (gravity * sin - cos * push) / (half_length * (4 / 3 - pole * cos**2 / (cart + pole)))
        pull = push - pole * half_length * torque * cos / (cart + pole)
        self.state = self.state + dt * np.stack([v, pull, spin, torque], 1)
        self.steps += 1
        x, _, angle, _ = self.state.T
        fallen = (np.abs(x) > 2.4) | (np.abs(angle) > np.pi / 15)
        return self.state, fallen, self.steps >= 500


class ActorCritic(nn.Module):
    """Logits of the two actions, and the return to be expected."""

    def __init__(self):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
        self.critic = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))

    def forward(self, state):
        return self.actor(state), self.critic(state).squeeze(-1)


def tensor(a):
    return fastnn.tensor(a, dtype=fastnn.float32)


@fastnn.no_grad()
def collect(model, world, length, discount=0.99, trace=0.95):
    """length steps of every cart: states, actions, their log-probabilities, advantages (generalised estimates), returns, ended lengths."""
    states, actions, log_p, values, rewards, lengths = [], [], [], [], [], []
    for _ in range(length):
        state = tensor(world.state)
        logits, value = model(state)
        choice = Categorical(logits=logits)
        action = choice.sample()
        states.append(state)
        actions.append(action)
        log_p.append(choice.log_prob(action))
        values.append(value.numpy())
        after, fallen, late = world.step(action.numpy())
        # Out of time is not failure: what would have followed is estimated by the critic and added to the last reward.
        rest = model(tensor(after))[1].numpy()
        rewards.append((np.where(late & ~fallen, 1 + discount * rest, 1.0), fallen | late, rest))
        lengths += world.steps[fallen | late].tolist()
        world.restart(fallen | late)
    advantage, ahead = np.zeros((length, len(world.steps)), np.float32), 0.0
    for t in reversed(range(length)):
        reward, ended, following = rewards[t]
        surprise = reward + discount * following * ~ended - values[t]
        advantage[t] = ahead = surprise + discount * trace * ~ended * ahead
    returns = advantage + np.stack(values)
    parts = fastnn.stack(states), fastnn.stack(actions), fastnn.stack(log_p), tensor(advantage), tensor(returns)
    return [x.flatten(0, 1) for x in parts], lengths


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="three iterations")
    args = parser.parse_args()
    fastnn.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    world = CartPole(16, rng)
    model = ActorCritic()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    @fastnn.capture
    def update(state, action, old_log_p, advantage, returns):
        optimizer.zero_grad()
        logits, value = model(state)
        choice = Categorical(logits=logits)
        ratio = (choice.log_prob(action) - old_log_p).exp()
        gain = fastnn.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        loss = 0.5 * (value - returns).square().mean() - gain - 0.01 * choice.entropy().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss

    start, recent = time.time(), []
    iterations = 3 if args.quick else args.iterations
    for i in range(iterations):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - i / iterations)
        batch, lengths = collect(model, world, 128)
        recent = (recent + lengths)[-100:]
        for _ in range(4):
            for rows in fastnn.randperm(len(batch[0])).split(256):
                state, action, log_p, advantage, returns = (x[rows] for x in batch)
                update(state, action, log_p, (advantage - advantage.mean()) / (advantage.std() + 1e-8), returns)
        if i % 10 == 9 or i == iterations - 1:
            print(f"iteration {i + 1:3}  last {len(recent)} episodes: {np.mean(recent):5.1f} steps  {time.time() - start:5.1f} s", flush=True)

    def play(choose, episodes):
        world = CartPole(episodes, rng)
        alive = np.ones(episodes, bool)
        total = np.zeros(episodes)
        while alive.any():
            total += alive
            _, fallen, late = world.step(choose(world.state))
            alive &= ~(fallen | late)
        return total.mean()

    with fastnn.no_grad():
        learnt = play(lambda state: model(tensor(state))[0].argmax(1).numpy(), 100)
    chance = play(lambda state: rng.integers(0, 2, len(state)), 100)
    print(f"100 new episodes: {learnt:.1f} steps (bar 475; at random {chance:.1f}), seed {args.seed}, {time.time() - start:.1f} s")


if __name__ == "__main__":
    main()
